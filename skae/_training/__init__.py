"""How the objective is minimised: the skorch net and its parts."""
