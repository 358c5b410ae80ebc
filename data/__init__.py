"""What was known, and when: panels, calendars, sources, storage, quality findings and features."""
