"""Lookups: bounded reads about one subject, made only while its page is open. Nothing is judged by them."""
