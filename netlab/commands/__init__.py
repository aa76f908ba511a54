"""Commands that steer or read a running lab; one module each, found by listing."""
