"""Paths with fixed content: HTML, XML, JSON, a robots.txt and what it forbids, many scripts, a form."""

from __future__ import annotations

from functools import partial
from typing import Any

from netlab.http.endpoints.answers import HTML, respond, respond_json
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context

TEXT = ("Content-Type", "text/plain")
XML_TYPE = ("Content-Type", "application/xml")

SLIDES: dict[str, Any] = {
    "slideshow": {
        "title": "Sample Slide Show",
        "date": "date of publication",
        "author": "Yours Truly",
        "slides": [
            {"type": "all", "title": "Wake up to WonderWidgets!"},
            {
                "type": "all",
                "title": "Overview",
                "items": ["Why <em>WonderWidgets</em> are great", "Who <em>buys</em> WonderWidgets"],
            },
        ],
    }
}

SLIDES_XML = """<?xml version="1.0" encoding="us-ascii"?>
<!-- A sample set of slides -->
<slideshow title="Sample Slide Show" date="Date of publication" author="Yours Truly">
  <slide type="all">
    <title>Wake up to WonderWidgets!</title>
  </slide>
  <slide type="all">
    <title>Overview</title>
    <item>Why <em>WonderWidgets</em> are great</item>
    <item/>
    <item>Who <em>buys</em> WonderWidgets</item>
  </slide>
</slideshow>
"""

MOBY_DICK = """<!DOCTYPE html>
<html>
  <head>
    <title>Moby-Dick</title>
  </head>
  <body>
    <h1>Herman Melville - Moby-Dick</h1>
    <p>
      Call me Ishmael. Some years ago&mdash;never mind how long precisely&mdash;having little or no money in my purse,
      and nothing particular to interest me on shore, I thought I would sail about a little and see the watery part of
      the world. It is a way I have of driving off the spleen and regulating the circulation. Whenever I find myself
      growing grim about the mouth; whenever it is a damp, drizzly November in my soul; whenever I find myself
      involuntarily pausing before coffin warehouses, and bringing up the rear of every funeral I meet; then, I account
      it high time to get to sea as soon as I can. This is my substitute for pistol and ball.
    </p>
  </body>
</html>
"""

ROBOTS = """User-agent: *
Disallow: /deny
"""

DENIED = r"""
       ____________
      /            \
     /   NO ENTRY   \
    |  ____________  |
    | |            | |
    | |____________| |
    |                |
     \              /
      \____________/
            ||
            ||
   YOU SHOULDN'T BE HERE
"""

SCRIPTS = """<!DOCTYPE html>
<html>
<head><title>Unicode Demo</title></head>
<body>
<h1>Unicode Demo</h1>
<pre>
UTF-8 in one, two, three and four bytes:   A  é  €  𝄞
Currencies        $ £ ¥ € ₹ ₺ ₿
Arrows, signs     ← ↑ → ↓ ⇒ ⇔   ≠ ≤ ≥ ± × ÷ √ ∞ ∑ ∫   ✓ ✗ ★ ☃
Box drawing       ┌──┬──┐ ╔══╦══╗ ░▒▓█
                  ├──┼──┤ ╠══╬══╣
                  └──┴──┘ ╚══╩══╝
Greek             Η γλώσσα είναι η μνήμη
Cyrillic          Съешь ещё этих мягких французских булок
Hebrew            שלום עולם
Arabic            مرحبا بالعالم
Devanagari        नमस्ते दुनिया
Thai              สวัสดีชาวโลก
Georgian          გამარჯობა მსოფლიო
Armenian          Բարեւ աշխարհ
Amharic           ሰላም ለዓለም
Chinese           你好，世界
Japanese          こんにちは世界、ハロー・ワールド
Korean            안녕하세요 세계
Runes             ᚠᚢᚦᚨᚱᚲ
Braille           ⠓⠑⠇⠇⠕
Mathematical      𝒩ℯ𝓉𝓁𝒶𝒷
Emoji             🌍 👋 👩‍🔬 🏳️‍🌈 🇪🇺
Composed          é = e + ́   Å = A + ̊   한 = ᄒ + ᅡ + ᆫ
Widths            |ﾈｯﾄ|  |ネット|  |ＮＥＴ|
</pre>
</body>
</html>
"""

FORM = """<!DOCTYPE html>
<html>
<head><title>Order a pizza</title></head>
<body>
<form method="post" action="/post">
<p><label>Customer name: <input name="custname"></label></p>
<p><label>Telephone: <input type="tel" name="custtel"></label></p>
<p><label>E-mail address: <input type="email" name="custemail"></label></p>
<fieldset><legend>Size</legend>
<p><label><input type="radio" name="size" value="small"> small</label></p>
<p><label><input type="radio" name="size" value="medium"> medium</label></p>
<p><label><input type="radio" name="size" value="large"> large</label></p>
</fieldset>
<fieldset><legend>Toppings</legend>
<p><label><input type="checkbox" name="topping" value="bacon"> bacon</label></p>
<p><label><input type="checkbox" name="topping" value="cheese"> extra cheese</label></p>
<p><label><input type="checkbox" name="topping" value="onion"> onion</label></p>
<p><label><input type="checkbox" name="topping" value="mushroom"> mushroom</label></p>
</fieldset>
<p><label>Delivery at: <input type="time" min="11:00" max="21:00" step="900" name="delivery"></label></p>
<p><label>Delivery instructions: <textarea name="comments"></textarea></label></p>
<p><button>Submit order</button></p>
</form>
</body>
</html>
"""


def register(routes: Routes, context: Context) -> None:
    for path, field, content, about in (
        ("/html", HTML, MOBY_DICK, "a page of HTML"),
        ("/xml", XML_TYPE, SLIDES_XML, "a document in XML"),
        ("/robots.txt", TEXT, ROBOTS, "rules for robots"),
        ("/deny", TEXT, DENIED, "what /robots.txt forbids"),
        ("/encoding/utf8", HTML, SCRIPTS, "many scripts in UTF-8"),
        ("/forms/post", HTML, FORM, "a form that is sent to /post"),
    ):
        routes.add("GET", path, partial(page, field, content.encode()), about)
    routes.add("GET", "/json", lambda exchange: respond_json(exchange, SLIDES), "a document in JSON")


def page(field: tuple[str, str], content: bytes, exchange: Exchange) -> None:
    respond(exchange, 200, [field], content)
