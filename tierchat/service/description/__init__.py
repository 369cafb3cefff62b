"""The OpenAPI description of the endpoint: what its routes take and give."""
