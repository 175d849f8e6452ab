"""What a latent variable model knows of episodes (see __main__)."""
