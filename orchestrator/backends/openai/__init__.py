"""Agents of the OpenAI Agents SDK: from settings or an object of the user's own to what they say as they say it."""
