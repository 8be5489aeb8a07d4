"""Agents whose files leave open what answers: a model if one is at hand, else the offline stand-in."""
