"""One message as JSON: by Mailpit's names where it has them, and explained where it has none."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from netlab.cores import mail_explained
from netlab.cores.mail_addresses import addresses
from netlab.cores.mail_fields import decode_words, seconds
from netlab.cores.mail_message import Part, parse
from netlab.stores.mail import Kept, rfc3339
from netlab.stores.mail_tables import contact
from netlab.stores.mailbox import Envelope

Json = dict[str, Any]


def message_json(kept: Kept) -> Json:
    """What `GET /api/v1/message/{id}` answers."""
    delivery = kept.delivery
    content, message = delivery.content, parse(delivery.content)
    to, cc, bcc = (addresses(*message.all(name)) for name in ("to", "cc", "bcc"))
    named = {address.lower() for _, address in (*to, *cc, *bcc)}
    bcc += [("", each.address) for each in delivery.envelope.recipients if each.address.lower() not in named]
    date = seconds(message.get("date"))
    sender = next(iter(addresses(message.get("from"))), None)
    besides = attached(message)
    return {
        "ID": delivery.id,
        "MessageID": message.get("message-id").strip("<> "),
        "Read": kept.read,
        "From": contact(sender) if sender else None,
        "To": list(map(contact, to)),
        "Cc": list(map(contact, cc)),
        "Bcc": list(map(contact, bcc)),
        "ReplyTo": list(map(contact, addresses(*message.all("reply-to")))),
        "ReturnPath": delivery.envelope.sender,
        "Subject": decode_words(message.get("subject")),
        "ListUnsubscribe": _unsubscribe(message),
        "Date": rfc3339(delivery.received if date is None else date),
        "Tags": kept.tags,
        "Username": delivery.envelope.user,
        "Text": body_of(message, content, "text/plain"),
        "HTML": body_of(message, content, "text/html"),
        "Size": len(content),
        "Inline": [_attachment(part, content) for part in besides if part.is_inline],
        "Attachments": [_attachment(part, content) for part in besides if not part.is_inline],
    }


def body_of(message: Part, content: bytes, kind: str) -> str:
    """All bodies of a kind, one after the other."""
    bodies = [part for part in message.walk(into_messages=False) if part.is_body and part.type == kind]
    return "\n".join(part.text(content)[0].replace("\r\n", "\n") for part in bodies[:20])


def attached(message: Part) -> list[Part]:
    """What comes with a message besides what is read; a message in a message is one of them."""
    parts = [part for part in message.walk(into_messages=False) if part.id != "0" or part.is_leaf]
    return [part for part in parts if (part.is_leaf and not part.is_body) or part.type == "message/rfc822"]


def _attachment(part: Part, content: bytes) -> Json:
    return {
        "PartID": part.id,
        "FileName": part.filename or _made_up_name(part),
        "ContentType": part.type,
        "ContentID": part.content_id,
        "Size": len(part.data(content)),
    }


def _made_up_name(part: Part) -> str:
    if part.type == "message/rfc822":
        return f"message-{part.id}.eml"
    return f"part-{part.id}.{part.type.rpartition('/')[2].partition('+')[0][:20]}"


def _unsubscribe(message: Part) -> Json:
    found = mail_explained.unsubscribe(message)
    if found is None:
        return {"Header": "", "Links": [], "Errors": "", "HeaderPost": ""}
    errors = "; ".join(found.problems)
    return {"Header": found.header, "Links": list(found.links), "Errors": errors, "HeaderPost": found.post}


def headers_json(message: Part) -> dict[str, list[str]]:
    """Each field's values by its name, spelled as Mailpit (and Go) spell names: Message-Id."""
    found: dict[str, list[str]] = {}
    for field in sorted(message.fields, key=lambda field: field.name.lower()):
        name = "-".join(word.capitalize() for word in field.name.split("-"))
        found.setdefault(name, []).append(decode_words(field.value))
    return found


def explained_json(kept: Kept) -> Json:
    """Conversation, tree, fields, way, links: what the page shows besides the message itself."""
    delivery = kept.delivery
    message = parse(delivery.content)
    unsubscribe = mail_explained.unsubscribe(message)
    return {
        "ID": delivery.id,
        "Received": rfc3339(delivery.received),
        "Mailboxes": list(delivery.mailboxes),
        "Envelope": envelope_json(delivery.envelope),
        "Transcript": [line._asdict() for line in delivery.transcript],
        "Tree": tree_json(message, delivery.content),
        "Headers": [[field.name, decode_words(field.value)] for field in message.fields],
        "Hops": [asdict(hop) for hop in mail_explained.hops(message)],
        "Unsubscribe": None if unsubscribe is None else asdict(unsubscribe),
        "Links": [asdict(link) for link in mail_explained.links(message, delivery.content)],
    }


def envelope_json(envelope: Envelope) -> Json:
    return envelope._asdict() | {"recipients": [each._asdict() for each in envelope.recipients]}


def tree_json(part: Part, content: bytes) -> Json:
    """A part and those below it, with the place of each in the source."""
    return {
        "PartID": part.id,
        "ContentType": part.type,
        "Charset": part.parameters.get("charset", "")[:80],
        "Encoding": part.encoding,
        "Disposition": part.disposition,
        "FileName": part.filename,
        "ContentID": part.content_id,
        "Start": part.start,
        "Body": part.body,
        "End": part.end,
        "Defects": part.defects,
        "Parts": [tree_json(each, content) for each in part.parts],
    }
