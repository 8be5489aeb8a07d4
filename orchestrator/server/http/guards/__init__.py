"""What stands between callers and the routes: who may call, and how much of everything. Owns no route."""
