"""The lab: services that run as one, what they are told, and the processes they run in."""
