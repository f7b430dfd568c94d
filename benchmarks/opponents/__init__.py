"""What the service is compared with: short applications, each as people write it.

They run in the directory of a rendered service and use its models, so that schema and rows are the same.
"""
