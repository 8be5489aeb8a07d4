"""The runs there are: who may start one, who executes it, who takes it over, when it is forgotten."""
