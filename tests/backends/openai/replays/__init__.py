"""Answers of real servers, written after them or recorded, by the kind of what is odd about them, and the server that replays them."""
