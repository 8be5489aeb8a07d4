"""Recorded answers of real servers, by the kind of what is odd about them, and the server that replays them."""
