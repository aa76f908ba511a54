"""The page of a directory: a table that sorts and searches by its query, and a little faster with its script."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import urlencode

from netlab.http.listing import Entry, Listing, View, iso_date

STYLE = """
:root{color-scheme:light dark;--text:#1c1e21;--soft:#62666d;--line:#dcdfe4;--back:#fff;--row:#f3f5f8;--link:#0b57b7}
@media(prefers-color-scheme:dark){:root{--text:#e3e5e8;--soft:#9aa0a8;--line:#34383f;--back:#17191d;--row:#22252b;
--link:#8ab8ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem;max-width:64rem;font:16px/1.5 system-ui,sans-serif;color:var(--text);
background:var(--back)}
h1{font-size:1.25rem;font-weight:600;margin:0 0 1rem;overflow-wrap:anywhere}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:2px}
form{display:flex;gap:.5rem;margin:0 0 1rem;flex-wrap:wrap}
input,button{font:inherit;color:inherit;background:var(--row);border:1px solid var(--line);border-radius:4px;
padding:.25rem .6rem}
input[type=search]{flex:1;min-width:12rem}
table{width:100%;border-collapse:collapse}
th,td{padding:.3rem .6rem;text-align:left;border-bottom:1px solid var(--line)}
th{font-weight:600;white-space:nowrap}
td:first-child{overflow-wrap:anywhere}
.size,.date{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;color:var(--soft)}
th.size,th.date{color:inherit}
tbody tr:hover{background:var(--row)}
p{color:var(--soft)}
@media(max-width:36rem){.date{display:none}}
"""

SCRIPT = """
const search = document.querySelector("input[type=search]");
const rows = [...document.querySelectorAll("tbody tr[data-name]")];
const count = document.querySelector("output");
function filter() {
  const wanted = search.value.toLowerCase();
  let shown = 0;
  for (const row of rows) {
    row.hidden = !row.dataset.name.includes(wanted);
    shown += !row.hidden;
  }
  count.value = shown === rows.length ? "" : shown + " of " + rows.length;
}
search.addEventListener("input", filter);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...document.querySelectorAll("tbody tr:not([hidden]) a")];
  const at = links.indexOf(document.activeElement);
  const go = {ArrowDown: links[at + 1], ArrowUp: at > 0 ? links[at - 1] : search}[event.key];
  if (event.key === "/" && document.activeElement !== search) {
    search.focus();
    search.select();
  } else if (event.key === "Escape") {
    search.value = "";
    filter();
  } else if (go) {
    go.focus();
  } else {
    return;
  }
  event.preventDefault();
});
"""


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_digest(STYLE)}; script-src {_digest(SCRIPT)}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""The page's Content-Security-Policy: whatever a file is called, nothing but this style and this script is run."""


def page(listing: Listing, view: View, *, writable: bool = False) -> bytes:
    """The listing for people; what the search does not find is there, hidden, for a search that goes on."""
    entries = listing.arranged(view)
    wanted = [entry for entry in entries if view.wants(entry)]
    title = f"Index of {escape(listing.path)}"
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n',
        '<meta name="viewport" content="width=device-width">\n',
        f"<style>{STYLE}</style>\n<h1>Index of {_crumbs(listing)}</h1>\n",
        _search_form(view),
        _upload_form() if writable else "",
        "<table>\n<thead>\n<tr>",
        *(_heading(view, key, label) for key, label in (("name", "Name"), ("size", "Size"), ("modified", "Modified"))),
        "</tr>\n</thead>\n<tbody>\n",
        _parent() if listing.names else "",
        *(_row(entry, hidden=not view.wants(entry)) for entry in entries),
        "</tbody>\n</table>\n",
        _note(listing, wanted, view),
        f"<script>{SCRIPT}</script>\n</html>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


def _crumbs(listing: Listing) -> str:
    """The path, each directory of it a link, all of them relative."""
    depth = len(listing.names)
    shown = [Entry(name, True, None, 0).shown for name in listing.names]
    links = [
        f'<a href="{"../" * (depth - at) or "./"}"><bdi>{escape(name)}</bdi></a>/' for at, name in enumerate(shown, 1)
    ]
    return "".join([f'<a href="{"../" * depth or "./"}" title="root">/</a>', *links])


def _search_form(view: View) -> str:
    kept = "".join(
        f'<input type="hidden" name="{name}" value="{value}">'
        for name, value in (("sort", view.sort), ("order", "desc" if view.descending else "asc"))
    )
    return (
        f'<form role="search">{kept}<input type="search" name="search" value="{escape(view.search)}" '
        'placeholder="Search ( / )" aria-label="Search by name" autocomplete="off">'
        "<button>Search</button><output aria-live=polite></output></form>\n"
    )


def _upload_form() -> str:
    return (
        '<form method="post" enctype="multipart/form-data"><input type="file" name="file" multiple required '
        'aria-label="Files to upload"><button>Upload</button></form>\n'
    )


def _heading(view: View, key: str, label: str) -> str:
    """A column's head: a link that sorts by it, or turns its order round."""
    current = view.sort == key
    descending = not view.descending if current else key != "name"
    query = {"sort": key, "order": "desc" if descending else "asc"}
    if view.search:
        query["search"] = view.search
    arrow = (" ▼" if view.descending else " ▲") if current else ""
    order = f' aria-sort="{"descending" if view.descending else "ascending"}"' if current else ""
    column = {"name": "", "size": ' class="size"', "modified": ' class="date"'}[key]
    return f'<th scope="col"{column}{order}><a href="{escape("?" + urlencode(query))}">{label}</a>{arrow}</th>'


def _parent() -> str:
    return '<tr><td><a href="../">../</a></td><td class="size"></td><td class="date"></td></tr>\n'


def _row(entry: Entry, *, hidden: bool) -> str:
    name = escape(entry.shown)
    if entry.directory:
        name, size = f"<bdi>{name}</bdi>/", '<td class="size">–</td>'
    else:
        name, size = f"<bdi>{name}</bdi>", f'<td class="size" title="{entry.size} bytes">{human(entry.size or 0)}</td>'
    date = iso_date(entry.modified)
    return (
        f'<tr data-name="{escape(entry.shown.lower())}"{" hidden" if hidden else ""}>'
        f'<td><a href="{escape(entry.href)}">{name}</a></td>{size}'
        f'<td class="date"><time datetime="{date}">{date.replace("T", " ")}</time></td></tr>\n'
    )


def _note(listing: Listing, entries: list[Entry], view: View) -> str:
    directories = sum(entry.directory for entry in entries)
    counts = [(directories, "directory", "directories"), (len(entries) - directories, "file", "files")]
    told = " and ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count) or "nothing"
    of = f" found for “{escape(view.search)}”" if view.search else ""
    size = human(sum(entry.size or 0 for entry in entries))
    more = f"; there are more than the {len(listing.entries)} that were read" if listing.partial else ""
    return f"<p>{told}{of}, {size}{more}</p>\n"


def human(size: int) -> str:
    """Bytes as people read them: 999 B, 1.5 KiB, 20 MiB."""
    if size < 1000:
        return f"{size} B"
    value, units = size / 1024, ["KiB", "MiB", "GiB"]
    while value >= 999.5 and units[1:]:
        value, units = value / 1024, units[1:]
    return f"{value:.1f} {units[0]}" if value < 9.95 else f"{value:.0f} {units[0]}"
