export * from './catalogue.ts';
export * from './holder.ts';
export * from './page.ts';
export * from './state.ts';
export * from './view.ts';
