import { expect, it } from 'vitest';
import { mapChanges, natMaps, parseListing } from './nat-maps.ts';

it('leads addresses to their droplets, and shows a droplet with the later of two', () => {
  const maps = natMaps([
    { ip: '10.89.0.1', target: '10.90.0.5' },
    { ip: '10.89.0.2', target: '10.90.0.5' },
    { ip: '10.89.0.3' },
    { ip: 'fd89::1', target: 'fd90::5' },
  ]);
  expect(Object.fromEntries(maps.reserved4)).toEqual({ '10.89.0.1': '10.90.0.5', '10.89.0.2': '10.90.0.5' });
  expect(Object.fromEntries(maps.egress4)).toEqual({ '10.90.0.5': '10.89.0.2' });
  expect(Object.fromEntries(maps.reserved6)).toEqual({ 'fd89::1': 'fd90::5' });
});

it('changes only the elements that differ', () => {
  const held = natMaps([
    { ip: '10.89.0.1', target: '10.90.0.5' },
    { ip: '10.89.0.2', target: '10.90.0.6' },
  ]);
  const wanted = natMaps([
    { ip: '10.89.0.1', target: '10.90.0.5' },
    { ip: '10.89.0.2', target: '10.90.0.7' },
  ]);
  expect(mapChanges('t', held, wanted)).toEqual([
    'delete element inet t reserved4 { 10.89.0.2 : 10.90.0.6 }',
    'add element inet t reserved4 { 10.89.0.2 : 10.90.0.7 }',
    'delete element inet t egress4 { 10.90.0.6 : 10.89.0.2 }',
    'add element inet t egress4 { 10.90.0.7 : 10.89.0.2 }',
  ]);
  expect(mapChanges('t', wanted, wanted)).toEqual([]);
});

it('tells the elements of the maps from the rest of a table', () => {
  const listing = (elem?: [string, string][]) =>
    JSON.stringify({
      nftables: [{ map: { name: 'reserved6', ...(elem && { elem }) } }, { rule: { handle: 1 } }],
    });
  const full = parseListing(listing([['fd89:0:0::1', 'fd90::5']]));
  expect([...full.maps.reserved6]).toEqual([['fd89::1', 'fd90::5']]);
  expect(full.table).toBe(parseListing(listing()).table);
});
