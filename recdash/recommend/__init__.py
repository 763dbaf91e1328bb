"""From picks to ranked lists with reasons; knows models, not runs."""
