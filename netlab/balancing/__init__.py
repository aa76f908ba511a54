"""What balancers share, whatever they carry: members, groups of them, checks, and what people see and set."""
