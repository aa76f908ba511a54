"""A shared HTTP cache's decisions: what is kept, what may be used, for whom, and what throws it out (RFC 9111)."""
