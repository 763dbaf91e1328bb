"""Ranked lists with reasons for a user's picks; depends on models, not on runs."""
