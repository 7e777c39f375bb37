"""Telco customers: their account's attributes as an event, and a `cancel` where they churned.

The data set has no times. They are assigned here, the same in every run: accounts of the files at 60 days before
the horizon, those held back within two days after it, and each cancel 1 to 30 days after its account.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from demo.chance import chance, smallest
from lambda_arch.clock import DAY, SECOND, rfc3339

FILE_SHARE = 0.8
FILE_LEAD_DAYS = 60
HELD_BACK_DAYS = 2
CANCEL_DAYS = 30


def timed(published: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The customers with `customer`, `held_back`, `account_time` and `cancel_time` (microseconds; NA: stays)."""
    customers = published.drop(columns="rownames").assign(customer=[f"c-{row}" for row in published["rownames"]])
    ids = customers["customer"]
    held_back = [chance("held back", id) >= FILE_SHARE for id in ids]
    accounts = [account_time(id, held, horizon) for id, held in zip(ids, held_back, strict=True)]
    churned = customers["churn"].eq("Yes")
    cancels = [cancel_time(id, at) if left else None for id, at, left in zip(ids, accounts, churned, strict=True)]
    return customers.assign(
        held_back=held_back, account_time=accounts, cancel_time=pd.array(cancels, dtype="Int64"), churn=churned
    )


def account_time(customer: str, held_back: bool, horizon: int) -> int:
    """When the account's state was noted: before the horizon, or after it for those held back."""
    if held_back:
        return horizon + _seconds(chance("account", customer) * HELD_BACK_DAYS * DAY)
    return horizon - FILE_LEAD_DAYS * DAY + _seconds(chance("account", customer) * DAY)


def cancel_time(customer: str, account: int) -> int:
    """When a churned customer left."""
    return account + DAY + _seconds(chance("cancel", customer) * (CANCEL_DAYS - 1) * DAY)


def few(customers: pd.DataFrame, count: int) -> pd.DataFrame:
    """So many of the customers."""
    return customers[customers["customer"].isin(smallest("customer", customers["customer"].tolist(), count))]


def attributes(customers: pd.DataFrame) -> list[str]:
    """The names of the account's attributes."""
    return [name for name in customers if name not in ("customer", "held_back", "account_time", "cancel_time", "churn")]


def account_events(customers: pd.DataFrame) -> list[dict[str, Any]]:
    """The accounts as events of the contract."""
    names = attributes(customers)
    return [
        _event("account", row, row["account_time"]) | {"properties": {name: as_text(row[name]) for name in names}}
        for row in customers.to_dict("records")
    ]


def cancel_events(customers: pd.DataFrame) -> list[dict[str, Any]]:
    """The cancels as events of the contract."""
    churned = customers[customers["churn"]]
    return [_event("cancel", row, row["cancel_time"]) for row in churned.to_dict("records")]


def as_text(value: Any) -> str:
    """An attribute as text; 0 where the data set has none (total charges of customers of less than a month)."""
    return "0" if pd.isna(value) else str(value)


def _event(event_type: str, row: dict[Any, Any], time: int) -> dict[str, Any]:
    customer = row["customer"]
    return {
        "event_id": f"{event_type}-{customer}",
        "event_type": event_type,
        "user_id": customer,
        "event_time": rfc3339(int(time)),
    }


def _seconds(moment: float) -> int:
    return int(moment) // SECOND * SECOND
