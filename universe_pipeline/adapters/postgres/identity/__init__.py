"""Securities and listings: what lists said, what is judged by it, what came of it."""
