"""What every chapter leans on and no exercise asks for.

Environments, rollouts, networks, seeds, measures, figures.

Support imports no chapter: where it needs a policy or a value function, one is passed in.
"""
