// A list of any length of which only what can be seen is in the page: rows of one height, newest first.

import { h } from "/assets/dom.js";

const HEIGHT = 26; // pixels of a row, as in the style sheet
const AROUND = 10; // rows drawn beyond what is seen

export class VirtualList {
  constructor(draw, choose) {
    this.draw = draw; // (item, chosen) → cells
    this.choose = choose; // (item)
    this.items = []; // oldest first
    this.chosen = null; // an item
    this.room = h("div", { class: "room" });
    this.element = h("div", { class: "list", tabindex: "0", role: "listbox", "aria-label": "Flows" }, this.room);
    this.element.addEventListener("scroll", () => this.ask(), { passive: true });
    new ResizeObserver(() => this.ask()).observe(this.element);
  }

  set(items) {
    this.items = items;
    this.room.style.height = `${items.length * HEIGHT}px`; // at once: whoever scrolls now may want its end
    this.ask();
  }

  // Draws at most once a frame, however often it is asked to.
  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.paint();
    });
  }

  paint() {
    const count = this.items.length;
    const first = Math.max(0, Math.floor(this.element.scrollTop / HEIGHT) - AROUND);
    const last = Math.min(count, Math.ceil((this.element.scrollTop + this.element.clientHeight) / HEIGHT) + AROUND);
    const rows = [];
    for (let place = first; place < last; place++) {
      const item = this.items[count - 1 - place];
      const chosen = item === this.chosen;
      const element = h("div", { class: "flow", role: "option", "aria-selected": String(chosen) }, this.draw(item));
      element.style.top = `${place * HEIGHT}px`;
      element.addEventListener("click", () => this.pick(item, true));
      rows.push(element);
    }
    this.room.replaceChildren(...rows);
  }

  pick(item, open = false) {
    this.chosen = item;
    this.reveal();
    this.ask();
    if (open) this.choose(item);
  }

  move(by) {
    const count = this.items.length;
    if (!count) return;
    const now = this.chosen ? count - 1 - this.items.indexOf(this.chosen) : -1;
    this.pick(this.items[count - 1 - Math.min(Math.max(now + by, 0), count - 1)]);
  }

  reveal() {
    const place = this.items.length - 1 - this.items.indexOf(this.chosen);
    const top = place * HEIGHT;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + HEIGHT > this.element.scrollTop + this.element.clientHeight)
      this.element.scrollTop = top + HEIGHT - this.element.clientHeight;
  }
}
