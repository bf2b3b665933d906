"""A model server to test against: real HTTP, three protocols, scripted models, every fault.

It speaks Anthropic's Messages, OpenAI's Responses and Chat Completions (also in DeepSeek's
dialect), streaming and not. In a test:

    def test_it(model_server):                     # tests/conftest.py; fresh for every test
        url = model_server.url("echo")             # base URL for anthropic
        url = model_server.url("echo") + "/v1"     # base URL for openai; DeepSeek: with or without
        url = model_server.add(                    # turns in order, one per turn of a conversation
            "fix",
            says("I look.", ("read_file", {"path": "a.py"}), thinking="Hm."),
            says("", ("finish", {"summary": "done"})),
        )
        url = model_server.add("own", script=lambda ask: says(ask.results[0].text))
        model_server.fail("fix", "529", 1)         # the first request fails; no number: all do
        url = model_server.url("fix", "429@2")     # the same in the address
        model_server.limits.requests.limit = 10    # a minute; also .tokens.limit
        model_server.limits.spend_nano_usd = 10**9
        model_server.advance(301)                  # cache lifetimes, rate limits
        model_server.cache.minimum = 0             # cache short prefixes too (else 1024 tokens)
        model_server.requests[-1].body             # also .headers, .attempt, .status, .fault
        model_server.ledger.total                  # also .by_model, and its entries in order

Scenarios that are built in: `scenarios.BUILT_IN`; faults: `faults.FAULTS`; verdicts of a
validator: `verdicts(False, True)` fills in whatever schema is asked for. A script gets an `Ask` and
returns a `Reply` or a `Fault`. Calls have the names of Conductor's tools; programs that offer a
shell (Claude Code, Codex) are told shell commands to the same effect.

Any key is right but none and those that begin with "wrong"; unknown models get 404
(`model_server.models.add(name)` makes one known, without a price). Tokens are bytes / 4, rounded up
for each block. The ledger bills what was generated, also when the client never got it.

As a process: `python -m tests.fakes.model_server --port 8900 --script fix=turns.json`, where the
file is a list of turns such as {"text": "", "calls": [["finish", {"summary": "done"}]]};
GET /ledger is its bill.
"""

from tests.fakes.model_server.faults import FAULTS, Fault, dripping, rate_limited
from tests.fakes.model_server.replies import Ask, Call, Reply, Result, Script, says
from tests.fakes.model_server.scenarios import BUILT_IN, scripted, verdicts
from tests.fakes.model_server.server import ModelServer, running
from tests.fakes.model_server.space import Request, Space

__all__ = (
    "BUILT_IN",
    "FAULTS",
    "Ask",
    "Call",
    "Fault",
    "ModelServer",
    "Reply",
    "Request",
    "Result",
    "Script",
    "Space",
    "dripping",
    "rate_limited",
    "running",
    "says",
    "scripted",
    "verdicts",
)
