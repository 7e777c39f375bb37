"""What is asked about the decisions themselves: how far the two layers are from each other, night by night."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from lambda_arch.agreement import AGREEMENTS, Agreement
from serving.desk import AtDesk
from serving.problems import DOCUMENTED, problem
from serving.replies import AgreedReply, AgreementReply, AgreementsReply

MOST, USUAL = 1000, 30

decisions = APIRouter(prefix="/v1/agreement", responses=DOCUMENTED)


@decisions.get("")
async def agreement(desk: AtDesk, n: Annotated[int, Query(ge=1, le=MOST)] = USUAL) -> AgreementsReply:
    """How far the speed layer's last answers before a night were from that night's, of the newest nights first."""
    return AgreementsReply(generations=[_reply(found) for found in await desk.answers.agreements(n)])


@decisions.get("/{generation}", response_model=AgreementReply, responses={404: DOCUMENTED[422]})
async def agreement_of_generation(generation: int, desk: AtDesk) -> AgreementReply | Response:
    """The same of one generation; 404 where the store knows none of it, as of the first."""
    for found in await desk.answers.agreements(MOST):
        if found.generation == generation:
            return _reply(found)
    return problem(404, f"no agreement of generation {generation}: /v1/agreement has all that there are")


def _reply(found: Agreement) -> AgreementReply:
    use_cases = {
        str(use_case): AgreedReply(
            metric=AGREEMENTS[use_case], value=agreed.value, standard_error=agreed.standard_error, cases=agreed.cases,
            ahead=agreed.ahead,
        )
        for use_case, agreed in found.use_cases.items()
    }  # fmt: skip
    return AgreementReply(generation=found.generation, former=found.former, use_cases=use_cases)
