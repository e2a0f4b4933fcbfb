export { projectRoot } from './project-root.ts';
export type { StackProcess } from './service-process.ts';
export { type Stack, startStack } from './stack.ts';
export { SettingsError, type StackOptions } from './stack-options.ts';
export { stackOptionsOf } from './start-settings.ts';
