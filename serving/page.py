"""The plain page at `/`: what this is, and a form to look up a user or a title; nothing from elsewhere."""

from __future__ import annotations

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Audience predictions</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
  label, select, input, button { font: inherit; margin-right: .5rem; }
  pre { background: #f4f4f4; padding: 1rem; overflow: auto; white-space: pre-wrap; }
</style>
<h1>Audience predictions</h1>
<p>What the audience will want, whom to address, who is about to leave, and what is felt about a title. A batch
layer knows everything until last night, a speed layer knows what came since; each answer says which of the two
gave it, how old it is, and why that one.</p>
<form id="lookup">
  <label for="what">Look up</label>
  <select id="what">
    <option value="/v1/users/{}/layers">user: both layers</option>
    <option value="/v1/users/{}/recommendations">user: recommendations</option>
    <option value="/v1/users/{}/segment">user: segment</option>
    <option value="/v1/users/{}/churn">user: churn</option>
    <option value="/v1/titles/{}/sentiment">title: sentiment</option>
  </select>
  <input id="id" required maxlength="128" placeholder="id, such as 42" aria-label="id">
  <button>Ask</button>
</form>
<pre id="answer" role="status" hidden></pre>
<p><a href="/openapi.json">API description</a> · <a href="/ready">ready?</a> · <a href="/health">alive?</a> ·
<a href="/metrics">metrics</a></p>
<script>
  const get = (id) => document.getElementById(id), answer = get("answer");
  get("lookup").addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const reply = await fetch(get("what").value.replace("{}", () => encodeURIComponent(get("id").value)));
      answer.textContent = JSON.stringify(await reply.json(), null, 2);
    } catch (error) {
      answer.textContent = String(error);
    }
  });
</script>
</html>
"""
