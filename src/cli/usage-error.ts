/** What a user did wrong or has to mend: told in one line, without a stack trace. */
export class UsageError extends Error {}
