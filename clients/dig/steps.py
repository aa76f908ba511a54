"""The steps of a resolution with what they mean, as text and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape as to_html
from typing import Any

from clients.dig.show import short
from netlab.cores.dns_codes import rcode_name, type_name
from netlab.cores.dns_names import to_text
from netlab.cores.resolution import Resolved
from netlab.cores.resolution_trace import Asked, Step, Trace, described
from netlab.errors import UsageError
from netlab.text import escape

MEANINGS = {
    "referral": "it knows who does: the zone below has servers of its own (RFC 1034 4.3.2)",
    "answer": "the zone's own server has the record (AA)",
    "alias": "the name is another name for one that is asked for next (RFC 1034 3.6.2)",
    "no data": "the name is there, the type is not (RFC 2308 2.2); above the name itself that is as it should be",
    "no such name": "neither the name nor anything below it exists (RFC 8020)",
    "lame": "the server was named for this zone, and does not serve it: the next one is asked",
    "refused": "the server will not or cannot answer: the next one is asked",
    "truncated": "the answer has no room in a datagram: asked again over TCP (RFC 7766 5)",
    "no answer in time": "it was waited for as long as its earlier answers suggest, then the next one is asked",
    "does not know EDNS": "asked again without (RFC 6891 7)",
}


@dataclass(frozen=True, slots=True)
class Story:
    """What came of a question, and how; `error` is an Extended DNS Error."""

    trace: Trace
    rcode: str
    answer: list[str]
    error: tuple[int, str] | None

    @classmethod
    def of(cls, resolved: Resolved) -> Story:
        assert resolved.trace is not None  # every resolution leaves one
        return cls(resolved.trace, rcode_name(resolved.rcode), short(resolved.answer), resolved.error)

    @classmethod
    def of_flow(cls, flow: Mapping[str, Any], flow_id: str) -> Story:
        """Of a flow of the resolver, as its record has it; UsageError where that has no steps."""
        for event in flow.get("events") or ():
            fields = event["fields"]
            if event["name"] == "name.resolved":
                error = (int(fields["error"][0]), str(fields["error"][1])) if fields["error"] else None
                return cls(
                    Trace.from_json(fields["trace"]), fields["rcode"], list(map(escape, fields["answer"])), error
                )
        raise UsageError(
            f"flow {flow_id} has no steps of a resolution: it is a {flow.get('kind')} flow recorded at level"
            f" {flow.get('level')}; `netlab serve resolver --record full` keeps the steps of every question"
        )


def meaning(step: Step | Asked) -> str:
    """What a step means, where there is something to say."""
    if step.what == "cache":
        return "learnt a moment ago, and still within its time"
    return next((text for begin, text in MEANINGS.items() if step.text.startswith(begin)), "")


def explained(trace: Trace, indent: str = "") -> Iterator[str]:
    """The tree, each step with its meaning below."""
    because = f" ({trace.reason})" if trace.reason else ""
    yield escape(f"{indent}{to_text(trace.question.name)} {type_name(trace.question.type)}{because}")
    for step in trace.steps:
        if isinstance(step, Trace):
            yield from explained(step, indent + "  ")
            continue
        yield escape(f"{indent}  {described(step)}")
        if means := meaning(step):
            yield f"{indent}      {means}"


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }}
ul {{ list-style: none; padding-left: 1.4em; border-left: 2px solid #8884 }}
.means {{ color: #888 }} code {{ font-size: 95% }} .failed {{ color: #c33 }}
</style>
<h1>{title}</h1>
<p>{outcome}</p>
{tree}
</html>
"""


def page(story: Story) -> str:
    """One page, no scripts; everything that came from afar is escaped."""
    trace = story.trace
    title = f"{to_text(trace.question.name)} {type_name(trace.question.type)}"
    outcome = (
        story.rcode + (f": {story.error[1]}" if story.error else "") + "".join(f" {each}" for each in story.answer)
    )
    return PAGE.format(title=to_html(title), outcome=to_html(outcome), tree=_tree(trace))


def _tree(trace: Trace) -> str:
    items = []
    for step in trace.steps:
        if isinstance(step, Trace):
            head = f"{to_text(step.question.name)} {type_name(step.question.type)} ({step.reason})"
            items.append(f"<li><b>{to_html(head)}</b>{_tree(step)}</li>")
        else:
            kind = ' class="failed"' if step.what == "failed" else ""
            means = f'<br><span class="means">{to_html(meaning(step))}</span>' if meaning(step) else ""
            items.append(f"<li{kind}><code>{to_html(described(step))}</code>{means}</li>")
    return f"<ul>{''.join(items)}</ul>"
