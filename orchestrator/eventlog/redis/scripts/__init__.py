"""The Lua scripts that Redis runs, by what they work on. Owns no connection."""
