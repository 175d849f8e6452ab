"""Several training runs as one: what they are, and how long they take."""
