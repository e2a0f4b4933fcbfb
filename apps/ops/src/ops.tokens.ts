/** The injection token of OpsParts: everything this app is made of. */
export const opsParts = Symbol('opsParts');
