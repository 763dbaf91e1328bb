"""Parts that several pages share: forms, pickers, run cards and tables."""
