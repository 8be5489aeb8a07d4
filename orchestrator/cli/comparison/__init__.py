"""Questions put to every agent, several times, and what came of it: for people who choose an agent, and for CI."""
