"""Who is asking: the credentials of HTTP authentication (RFC 9110 11), read and judged; Basic, Digest and Bearer."""
