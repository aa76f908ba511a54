"""The control socket: how a running lab is asked, and what it answers."""
