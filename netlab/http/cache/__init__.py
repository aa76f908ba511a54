"""The shared cache of the proxies: what is stored, in wire form, and the fetches that fill it."""
