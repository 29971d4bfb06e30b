"""Do the defaults hold on data sets that they were not chosen on?"""
