/** The words of a text, over any number of lines. */
export const words = (text: string): string[] => text.trim().split(/\s+/);
