"""How far a ranking can be believed: each file measures one thing about it."""
