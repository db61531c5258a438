"""Portal Hub: a company's portal with one-time codes and tokens that are kept in three different places."""
