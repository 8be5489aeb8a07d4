"""The MCP servers of agents of the OpenAI Agents SDK: kept running, named, bounded."""
