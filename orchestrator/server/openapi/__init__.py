"""The OpenAPI document and its page, made from what the routes say of themselves."""
