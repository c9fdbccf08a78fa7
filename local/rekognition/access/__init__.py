"""Who calls, and what of a request can be refused before anybody looks at what it asks for."""
