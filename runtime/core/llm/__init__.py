"""What `llm.*` tools take and give, how a model is asked, how its answer is read, and what is answered without one."""
