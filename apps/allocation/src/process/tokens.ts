/** The injection token of AllocationParts: everything this app is made of. */
export const allocationParts = Symbol('allocationParts');
