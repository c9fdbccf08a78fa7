"""The laptop cloud: everything the template needs that is not on AWS."""
