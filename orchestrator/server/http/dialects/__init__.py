"""What the routes of the other APIs share: their requests, runs, refusals. Owns no route."""
