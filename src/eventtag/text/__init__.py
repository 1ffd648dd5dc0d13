"""What a word is and what a sentence is, for everything that counts words or cuts sentences."""
