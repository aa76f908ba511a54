"""Media types by a file's name: a table of our own, so that no system's list changes what is served."""

from __future__ import annotations

UNKNOWN = "application/octet-stream"

TEXT = {  # served as UTF-8
    "text/html": "html htm",
    "text/css": "css",
    "text/javascript": "js mjs cjs",  # RFC 9239
    "text/plain": "txt text log ini cfg conf toml env diff patch rst tex c h cc cpp hpp rs go py rb pl sh sql lua zone",
    "text/markdown": "md markdown",  # RFC 7763
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "text/calendar": "ics",
    "text/vcard": "vcf",
    "text/vtt": "vtt",
}
COMPRESSIBLE = {  # text in all but name, and what shrinks though it is binary
    "application/json": "json map",
    "application/ld+json": "jsonld",
    "application/geo+json": "geojson",
    "application/manifest+json": "webmanifest",
    "application/x-ndjson": "ndjson jsonl",
    "application/yaml": "yaml yml",  # RFC 9512
    "application/xml": "xml xsl xsd",
    "application/xhtml+xml": "xhtml",
    "application/atom+xml": "atom",
    "application/rss+xml": "rss",
    "application/rtf": "rtf",
    "application/wasm": "wasm",
    "application/postscript": "ps eps ai",
    "application/x-tar": "tar",
    "application/vnd.ms-fontobject": "eot",
    "application/vnd.sqlite3": "sqlite sqlite3 db",
    "font/ttf": "ttf",
    "font/otf": "otf",
    "font/collection": "ttc",
    "image/svg+xml": "svg",
    "image/bmp": "bmp",
    "image/vnd.microsoft.icon": "ico",
    "image/tiff": "tif tiff",
}
DENSE = {  # compressed already: a coding on top only costs time
    "application/gzip": "gz tgz",
    "application/zip": "zip",
    "application/zstd": "zst",
    "application/vnd.brotli": "br",
    "application/x-bzip2": "bz2",
    "application/x-xz": "xz",
    "application/x-7z-compressed": "7z",
    "application/vnd.rar": "rar",
    "application/java-archive": "jar",
    "application/pdf": "pdf",
    "application/epub+zip": "epub",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.debian.binary-package": "deb",
    "application/x-rpm": "rpm",
    "application/x-iso9660-image": "iso",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.tcpdump.pcap": "pcap pcapng cap",
    "application/ogg": "ogx",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/ogg": "ogg oga opus",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/midi": "mid midi",
    "video/mp4": "mp4 m4v",
    "video/webm": "webm",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/mpeg": "mpeg mpg",
    "video/mp2t": "ts",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "image/png": "png",
    "image/apng": "apng",
    "image/jpeg": "jpg jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/jxl": "jxl",
}

TYPES = {
    suffix: media_type + ("; charset=utf-8" if table is TEXT else "")
    for table in (TEXT, COMPRESSIBLE, DENSE)
    for media_type, suffixes in table.items()
    for suffix in suffixes.split()
}
SHRINKS = frozenset((*TEXT, *COMPRESSIBLE))


def media_type(name: str) -> str:
    """The value of Content-Type for a file of this name."""
    stem, dot, suffix = name.rpartition(".")
    return TYPES.get(suffix.lower(), UNKNOWN) if dot and stem else UNKNOWN


def compressible(content_type: str) -> bool:
    """Whether a content coding makes sense for content of this type."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence in SHRINKS or essence.startswith("text/") or essence.endswith(("+json", "+xml"))
