"""What a run learns from: windows with gold, and teachers' soft targets."""
