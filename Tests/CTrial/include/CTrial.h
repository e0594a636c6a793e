/* System calls that a child of the test makes under one of Weir's filters. */
#ifndef WEIR_CTRIAL_H
#define WEIR_CTRIAL_H

struct weir_trial {
	const char *name;
	/* What it fails with under the filter; 0 for none, -1 for anything but EPERM and ENOSYS. */
	int expected;
	/* What it failed with; 0 for nothing. */
	int error;
};

/* Calls that the agent's filter lets through, by their arguments where it looks at these, and calls that it does not. How many there are. */
int weir_try_agent(struct weir_trial *trials, int most);
int weir_try_controller(struct weir_trial *trials, int most);
int weir_try_opener(struct weir_trial *trials, int most);

/* The same calls without a filter: what fails there fails because of something else. */
int weir_try_unfiltered(struct weir_trial *trials, int most);
#endif
