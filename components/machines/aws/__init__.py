"""Machines that are EC2 instances: network, firewall, load balancer, bastion, volumes, and their first boot."""
